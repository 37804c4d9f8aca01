"""The BRP as rules: questions, rubrieken, answers and problem documents of RvIG's APIs.

Nothing here does I/O, waits or knows a tenant. Whatever JSON a caller or RvIG sends, these modules return a
value and never raise on it.
"""
