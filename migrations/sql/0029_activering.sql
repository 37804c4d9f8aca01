-- Why a certificate was activated without a test of the last day, or with a host name that is not ours. In the history with the row.
ALTER TABLE registry.certificate ADD COLUMN activation_reason registry.text_line;
GRANT UPDATE (activation_reason) ON registry.certificate TO koppelpunt_tenants;
