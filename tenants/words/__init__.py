"""Dutch words for what the register holds as numbers and codes: rubrieken and doelbindingen. Pure."""
