"""The registry as a document: written out, compared, brought in; what needs acceptance becomes a voorstel."""
