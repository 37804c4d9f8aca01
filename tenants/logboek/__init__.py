"""Logboek Dataverwerkingen: calls of the register as spans, to an endpoint of the tenant's own. Off the way of every call."""
