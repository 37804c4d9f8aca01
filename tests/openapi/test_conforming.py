"""What is not as the document says is seen, on any answer that any test gets."""

import json

import pytest

from tests.openapi.conforming import faults_of_answer

JSON = {"Content-Type": "application/json", "API-Version": "1.2.3"}
PROBLEM = JSON | {"Content-Type": "application/problem+json"}
GOOD = json.dumps({"taaksystemen": [], "volgende": None})
FAULT = {"type": "urn:x", "title": "x", "status": 404, "detail": "x", "instance": "urn:y", "code": "x"}


def test_what_is_as_the_document_says_has_no_fault():
    assert faults_of_answer("GET", "/v1/taaksystemen?aantal=1", 200, JSON, GOOD) == []
    assert faults_of_answer("HEAD", "/v1/taaksystemen", 200, JSON, "") == []
    assert faults_of_answer("GET", "/v1/taaksystemen/1", 404, PROBLEM, json.dumps(FAULT)) == []
    assert faults_of_answer("GET", "/v1/nergens", 404, PROBLEM, json.dumps(FAULT)) == []
    assert faults_of_answer("DELETE", "/v1/taaksystemen/1", 204, {"API-Version": "1.2.3"}, "") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "text"),
    [
        ("GET", "/v1/taaksystemen", 201, JSON, GOOD),
        ("GET", "/v1/taaksystemen", 200, {"Content-Type": "application/json"}, GOOD),
        ("GET", "/v1/taaksystemen", 200, JSON | {"Content-Type": "text/html"}, GOOD),
        ("GET", "/v1/taaksystemen", 200, JSON, '{"taaksystemen":[]}'),
        ("GET", "/v1/taaksystemen", 200, JSON, '{"taaksystemen":[],"volgende":null,"geheim":1}'),
        ("GET", "/v1/taaksystemen", 200, JSON, '{"taaksystemen":[{"nummer":"1"}],"volgende":null}'),
        ("GET", "/v1/taaksystemen/1", 200, JSON, "{}"),
        ("GET", "/v1/taaksystemen/1", 404, JSON, json.dumps(FAULT)),
        ("GET", "/v1/taaksystemen/1", 404, PROBLEM, json.dumps({**FAULT, "code": None})),
        ("GET", "/v1/taaksystemen/1", 500, PROBLEM, json.dumps({**FAULT, "detail": None})),
        ("DELETE", "/v1/taaksystemen/1", 204, JSON, "{}"),
        ("GET", "/v1/nergens", 200, JSON, "{}"),
    ],
)  # fmt: skip
def test_a_status_a_header_a_media_type_and_a_shape_of_nowhere_is_a_fault(
    method: str, path: str, status: int, headers: dict[str, str], text: str
):
    assert faults_of_answer(method, path, status, headers, text)
