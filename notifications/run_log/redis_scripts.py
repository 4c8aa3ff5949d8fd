"""The scripts that change and read a log in Redis, each in one step.

Each takes the keys of one run, which lie in one hash slot: the state (a hash), the events (a stream whose ids
are the numbers) and the snapshot. ``at`` is Redis's own clock. An event holds how many bytes all events up to
it have, ``t``, so that a limit in bytes is found without reading what lies between.

Every script answers a list that begins with a word: ``ok``, or the refusal.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple


class Script(NamedTuple):
    """A script, and the name under which Redis remembers it."""

    text: str
    sha: str


def _script(text: str) -> Script:
    whole = _COMMON + text
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())


_COMMON: Final = """
local state, log, kept = KEYS[1], KEYS[2], KEYS[3]
local function whole(n) return string.format('%.0f', n) end
local function clock()
  local t = redis.call('TIME')
  return t[1] .. string.format('%06d', tonumber(t[2]))
end
local function expire_all(at)
  for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], at) end
end
local function add(number, total, kind, fields, at)
  total = total + #kind + #fields
  redis.call('XADD', log, whole(number) .. '-0', 'k', kind, 'f', fields, 'a', at, 't', whole(total))
  return total
end
local function total_at(number)
  local found = redis.call('XRANGE', log, whole(number) .. '-0', whole(number) .. '-0')
  return tonumber(found[1][2][8])
end
"""

# lease, epoch, kind, fields, milliseconds that it may last
BEGIN: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'number', 'lease', 'is_cancel_requested')
if s[1] then
  if s[3] ~= ARGV[1] then return {'lease'} end
  return {'ok', tonumber(s[2]), s[1], tonumber(s[4]), 0}
end
redis.call('DEL', log, kept)
local at = clock()
local total = add(1, 0, ARGV[3], ARGV[4], at)
local expires_at = whole(math.floor(tonumber(at) / 1000) + tonumber(ARGV[5]))
redis.call('HSET', state, 'epoch', ARGV[2], 'number', 1, 'kept_from', 1, 'total', whole(total),
  'total_cut', 0, 'lease', ARGV[1], 'request_after', -1, 'request_digest', '', 'request_number', 0,
  'is_cancel_requested', 0, 'is_lost', 0, 'end_kind', '', 'end_number', 0, 'snapshot_number', 0,
  'expires_at', expires_at)
expire_all(expires_at)
return {'ok', 1, ARGV[2], 0, 0}
""")

# lease, after, digest, most events, most bytes, then kind and fields of each event
APPEND: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'number', 'lease', 'request_after', 'request_digest',
  'request_number', 'is_cancel_requested', 'is_lost', 'end_kind', 'kept_from', 'total', 'total_cut',
  'expires_at')
if not s[1] then return {'lost', 0} end
if s[3] ~= ARGV[1] then return {'lease'} end
local number, after, first = tonumber(s[2]), tonumber(ARGV[2]), 6
local is_empty = #ARGV < first
if not is_empty and after == tonumber(s[4]) and ARGV[3] == s[5] then
  return {'ok', tonumber(s[6]), s[1], tonumber(s[7]), 0}
end
if s[9] ~= '' then return {'finished'} end
if s[8] == '1' then return {'lost', number} end
local total = tonumber(s[11])
if not is_empty then
  if after > number then
    redis.call('HSET', state, 'is_lost', 1)
    return {'lost', number}
  end
  if after < number then return {'step', number} end
  local was_empty, at = tonumber(s[10]) > number, clock()
  for i = first, #ARGV, 2 do
    number = number + 1
    total = add(number, total, ARGV[i], ARGV[i + 1], at)
  end
  redis.call('HSET', state, 'number', whole(number), 'total', whole(total), 'request_after', ARGV[2],
    'request_digest', ARGV[3], 'request_number', whole(number))
  if was_empty then redis.call('PEXPIREAT', log, s[13]) end
end
local is_full = 0
if number - tonumber(s[10]) + 1 > tonumber(ARGV[4]) or total - tonumber(s[12]) > tonumber(ARGV[5]) then
  is_full = 1
end
return {'ok', number, s[1], tonumber(s[7]), is_full}
""")

# epoch or empty, after, most events, most bytes
READ: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'number', 'kept_from', 'snapshot_number', 'end_kind',
  'is_cancel_requested')
if not s[1] then return {'lost', 0} end
local number, after, is_reset, snapshot = tonumber(s[2]), tonumber(ARGV[2]), 0, ''
if (ARGV[1] ~= '' and ARGV[1] ~= s[1]) or after > number or after < tonumber(s[3]) - 1 then
  is_reset, after = 1, tonumber(s[4])
  if after > 0 then snapshot = redis.call('GET', kept) end
  if not snapshot then return {'lost', number} end
end
local events, bytes = {}, 0
for _, found in ipairs(redis.call('XRANGE', log, whole(after + 1) .. '-0', '+', 'COUNT', ARGV[3])) do
  local event = found[2]
  bytes = bytes + #event[2] + #event[4]
  if #events > 0 and bytes > tonumber(ARGV[4]) then break end
  events[#events + 1] = {found[1], event[2], event[4], event[6]}
end
if after < number and (#events == 0 or events[1][1] ~= whole(after + 1) .. '-0') then
  return {'lost', number}
end
return {'ok', s[1], number, tonumber(s[3]), after, is_reset, snapshot, s[5], tonumber(s[6]), events}
""")

# epoch, number, snapshot, events to keep, bytes to keep
CUT: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'number', 'kept_from', 'total', 'total_cut',
  'snapshot_number', 'expires_at')
local number = tonumber(ARGV[2])
if s[1] ~= ARGV[1] or number > tonumber(s[2]) or number <= tonumber(s[6]) then return {'ok', 0} end
local function total_of(n)
  if n < tonumber(s[3]) then return tonumber(s[5]) end
  return total_at(n)
end
local newest, total = tonumber(s[2]), tonumber(s[4])
local low, high = math.max(tonumber(s[3]) - 1, newest - tonumber(ARGV[4])), newest
while low < high do
  local middle = math.floor((low + high) / 2)
  if total - total_of(middle) <= tonumber(ARGV[5]) then high = middle else low = middle + 1 end
end
local cut = math.max(math.min(low, number), tonumber(s[3]) - 1)
local total_cut = total_of(cut)
redis.call('SET', kept, ARGV[3])
redis.call('PEXPIREAT', kept, s[7])
redis.call('XTRIM', log, 'MINID', whole(cut + 1) .. '-0')
redis.call('HSET', state, 'kept_from', whole(cut + 1), 'total_cut', whole(total_cut),
  'snapshot_number', whole(number))
return {'ok', 1}
""")

# lease, epoch, number, snapshot, milliseconds that it may last
BEGIN_EPOCH: Final = _script("""
local s = redis.call('HMGET', state, 'number', 'lease', 'end_kind', 'is_cancel_requested', 'expires_at')
local number = tonumber(ARGV[3])
if s[1] then
  if s[2] ~= ARGV[1] then return {'lease'} end
  if s[3] ~= '' then return {'finished'} end
  if number < tonumber(s[1]) then return {'step', tonumber(s[1])} end
end
local expires_at = s[5] or whole(math.floor(tonumber(clock()) / 1000) + tonumber(ARGV[5]))
local is_cancel_requested = tonumber(s[4] or 0)
redis.call('DEL', log)
redis.call('SET', kept, ARGV[4])
redis.call('HSET', state, 'epoch', ARGV[2], 'number', ARGV[3], 'kept_from', whole(number + 1), 'total', 0,
  'total_cut', 0, 'lease', ARGV[1], 'request_after', -1, 'request_digest', '', 'request_number', 0,
  'is_cancel_requested', is_cancel_requested, 'is_lost', 0, 'end_kind', '', 'end_number', 0,
  'snapshot_number', ARGV[3], 'expires_at', expires_at)
expire_all(expires_at)
return {'ok', number, ARGV[2], is_cancel_requested, 0}
""")

# after or empty, kind, fields, new epoch, milliseconds that it is kept
END: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'number', 'total', 'is_lost', 'end_kind', 'end_number')
if not s[1] then return {'lost', 0} end
if s[5] ~= '' then return {'ok', s[5], tonumber(s[6]), s[1], 0} end
local number, epoch = tonumber(s[2]), s[1]
if ARGV[1] ~= '' then
  local after = tonumber(ARGV[1])
  if after > number then redis.call('HSET', state, 'is_lost', 1) end
  if after > number or s[4] == '1' then return {'lost', number} end
  if after < number then return {'step', number} end
end
if s[4] == '1' then epoch = ARGV[4] end
local at = clock()
number = number + 1
local total = add(number, tonumber(s[3]), ARGV[2], ARGV[3], at)
local expires_at = whole(math.floor(tonumber(at) / 1000) + tonumber(ARGV[5]))
redis.call('HSET', state, 'epoch', epoch, 'number', whole(number), 'total', whole(total), 'is_lost', 0,
  'end_kind', ARGV[2], 'end_number', whole(number), 'expires_at', expires_at)
expire_all(expires_at)
return {'ok', ARGV[2], number, epoch, 1}
""")

# the field to set, and its value
SET: Final = _script("""
local s = redis.call('HMGET', state, 'epoch', 'end_kind')
if not s[1] then return {'lost', 0} end
if s[2] ~= '' then return {'finished'} end
redis.call('HSET', state, ARGV[1], ARGV[2])
return {'ok'}
""")
