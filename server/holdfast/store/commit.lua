-- commit.lua: the one door for writes. Applies a commit whole, or says why not and changes nothing.
--
-- It compares and moves; it never judges. What may happen was decided by the core, from records that may be old by
-- now: the guards say what must still be true. Redis does not roll a script back, so everything that can fail is
-- checked before the first write, and the first write is the only one that may still fail: whether memory is short
-- is decided once for a whole script.
--
-- KEYS   1 the partition's meta (hash)   2 the session (hash)   3 its log (stream)   4 its refs (hash)
--        5 … what the instructions name by their place here
-- ARGV   1 epoch under which the caller read   2 channel of the session   3 channel that wakes workers
--        4 "new" | "alive" | "any": what the session must be
--        5 "ref" | "writer" | "": how the commit is named, and thereby applied at most once
--        6 ref: its scoped name        writer: the turn
--        7 ref: digest of its body     writer: the fence
--        8 ref: the reply to store     writer: the commit's number under the fence (1, 2, 3 …)
--        9 what to tell workers, or ""
--        10 … instructions: a word, a place in KEYS, and as many arguments as ARGUMENTS says
--
-- Returns, as words:
--   done epoch first last at    applied; its events are first..last (first > last: none)
--   again stored                applied before: "first last at reply" of that time
--   stale field                 a record is not what it was: read again, decide again
--   epoch current               the store restarted or failed over: the caller knows an older one
--   fenced                      another worker has the turn
--   skipped number              the writer's commit before this one never arrived
--   reused | early | gone | exists | missing | wrong_type key | failed message

local meta, session, log, refs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, channel, wake, must_be = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local named, name, proof, extra, nudge = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]

local ARGUMENTS = {
  -- guards
  version = 2,  -- field, version           the record in this field is still at this version (0: there is none)
  due = 1,      -- member                   its time has come
  -- writes
  event = 1,    -- bytes                    numbered here, stored as they are
  set = 2,      -- field, value
  unset = 1,    -- field
  let_go = 1,   -- turn                     whatever fence it has is void
  at = 2,       -- member, score            in a sorted set
  later = 2,    -- member, milliseconds     in a sorted set, so long from now
  now = 1,      -- member                   in a sorted set, at the present time
  drop = 1,     -- member                   from a sorted set
  add = 1,      -- member                   to a set
  entry = 1,    -- bytes                    numbered in meta, under the key's own place: the audit trail
  notice = 1,   -- bytes
  erase = 1,    -- position                 of the log: a later event stands for it
  trim = 2,     -- floor, position          all of the log up to it goes, if the floor is still where it was
  keep = 1,     -- bytes                    in a string: the state that stands for what is trimmed
}
local TYPE_OF = {
  version = 'hash', due = 'zset', event = 'stream', set = 'hash', unset = 'hash', let_go = 'hash', at = 'zset',
  later = 'zset', now = 'zset', drop = 'zset', add = 'set',
  entry = 'stream', notice = 'stream', erase = 'stream', trim = 'stream', keep = 'string',
}
local OUTBOX_MAX = 100000  -- notices; the oldest go first

local function number(n) return string.format('%.0f', n) end

-- Is the store the one the caller read from, and the session as it must be?
local current = redis.call('HGET', meta, 'epoch')
if current ~= epoch then return {'epoch', current or ''} end
local head = redis.call('HMGET', session, 'alive', 'seq', 'at')
local alive, seq, last_at = head[1], tonumber(head[2] or '0'), tonumber(head[3] or '0')

-- Was it applied before?
local writes, fence, written
if named == 'ref' then
  local stored = redis.call('HGET', refs, name)
  if stored then
    local digest, result = string.match(stored, '^(%S+) (.*)$')
    if digest ~= proof then return {'reused'} end
    return {'again', result}
  end
elseif named == 'writer' then
  writes = redis.call('HGET', session, 'w:' .. name)
  fence, written = string.match(writes or '', '^(%S+) (%d+) ')
  written = tonumber(written)
  -- A fence that was let go is kept behind a '-', so that the commit that let go can be repeated too.
  if (fence == proof or fence == '-' .. proof) and tonumber(extra) <= written then
    return {'again', string.match(writes, '^%S+ %d+ (.*)$')}
  end
  if fence ~= proof then return {alive == '0' and 'gone' or 'fenced'} end
  if tonumber(extra) > written + 1 then return {'skipped', number(written)} end
end

if must_be == 'new' and alive then return {'exists'} end
if must_be == 'alive' and not alive then return {'missing'} end
if must_be == 'alive' and alive == '0' then return {'gone'} end

-- Does every guard hold, and has every key its type?
local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', meta, 'clock_offset_ms') or '0')  -- set by a test's manual clock only
local now = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset, last_at)

local seen = {}
local i = 10
while i <= #ARGV do
  local word, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if seen[key] == nil then
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= TYPE_OF[word] then return {'wrong_type', key} end
    if word == 'entry' and kind ~= 'none' then
      local last = redis.call('XINFO', 'STREAM', key)
      for place = 1, #last, 2 do last[last[place]] = last[place + 1] end
      local entries = redis.call('HGET', meta, 'entries') or '0'
      local number_of_last = tonumber(string.match(last['last-generated-id'], '^%d+'))
      if number_of_last > tonumber(entries) then return {'failed', key .. ' is ahead of its number ' .. entries} end
    end
    seen[key] = true
  end
  if word == 'version' then
    local field, expected = ARGV[i + 2], ARGV[i + 3]
    local record = redis.call('HGET', key, field)
    if (record and string.match(record, '^%d+') or '0') ~= expected then return {'stale', field} end
  elseif word == 'due' then
    local score = redis.call('ZSCORE', key, ARGV[i + 2])
    if not score then return {'stale', ARGV[i + 2]} end
    if tonumber(score) > now then return {'early'} end
  elseif word == 'trim' then
    if (redis.call('HGET', session, 'floor') or '0') ~= ARGV[i + 2] then return {'stale', 'floor'} end
  end
  i = i + 2 + ARGUMENTS[word]
end

-- All holds. Append the events first: if memory is short, this fails and nothing has happened.
local first, at = seq + 1, number(now)
local events = {}
i = 10
while i <= #ARGV do
  if ARGV[i] == 'event' then
    local bytes = ARGV[i + 2]
    local ok = redis.pcall('XADD', log, number(seq + 1) .. '-0', 'e', bytes, 't', at)
    if type(ok) == 'table' and ok.err then
      if #events > 0 then return redis.error_reply('holdfast: half an append: ' .. ok.err) end
      return {'failed', ok.err}
    end
    seq = seq + 1
    events[#events + 1] = bytes
  end
  i = i + 2 + ARGUMENTS[ARGV[i]]
end

local ok = redis.pcall('HSET', session, 'seq', number(seq), 'at', at)
if type(ok) == 'table' and ok.err then return {'failed', ok.err} end  -- without events, this is the first write

-- From here on, only writes that cannot fail.
if must_be == 'new' then redis.call('HSET', session, 'alive', '1') end

local done = number(first) .. ' ' .. number(seq) .. ' ' .. at
if named == 'ref' then
  redis.call('HSET', refs, name, proof .. ' ' .. done .. ' ' .. extra)
elseif named == 'writer' then
  redis.call('HSET', session, 'w:' .. name, fence .. ' ' .. extra .. ' ' .. done)
end

i = 10
while i <= #ARGV do
  local word, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if word == 'set' then
    redis.call('HSET', key, ARGV[i + 2], ARGV[i + 3])
  elseif word == 'unset' then
    redis.call('HDEL', key, ARGV[i + 2])
  elseif word == 'let_go' then
    local held = redis.call('HGET', key, 'w:' .. ARGV[i + 2])
    if held and string.sub(held, 1, 1) ~= '-' then redis.call('HSET', key, 'w:' .. ARGV[i + 2], '-' .. held) end
  elseif word == 'at' then
    redis.call('ZADD', key, ARGV[i + 3], ARGV[i + 2])
  elseif word == 'later' then
    redis.call('ZADD', key, number(now + tonumber(ARGV[i + 3])), ARGV[i + 2])
  elseif word == 'now' then
    redis.call('ZADD', key, at, ARGV[i + 2])
  elseif word == 'drop' then
    redis.call('ZREM', key, ARGV[i + 2])
  elseif word == 'add' then
    redis.call('SADD', key, ARGV[i + 2])
  elseif word == 'entry' then
    local n = redis.call('HINCRBY', meta, 'entries', 1)
    redis.call('XADD', key, number(n) .. '-0', 'e', ARGV[i + 2], 't', at)
  elseif word == 'notice' then
    redis.call('XADD', key, 'MAXLEN', '~', OUTBOX_MAX, '*', 'n', ARGV[i + 2], 't', at)
  elseif word == 'erase' then
    redis.call('XDEL', key, ARGV[i + 2] .. '-0')
  elseif word == 'trim' then
    redis.call('XTRIM', key, 'MINID', number(tonumber(ARGV[i + 3]) + 1))
    redis.call('HSET', session, 'floor', ARGV[i + 3])
  elseif word == 'keep' then
    redis.call('SET', key, ARGV[i + 2])
  end
  i = i + 2 + ARGUMENTS[word]
end

-- Wake whoever listens. Nobody depends on it: the stream is the truth.
if #events > 0 then
  local lengths = {}
  for place, bytes in ipairs(events) do lengths[place] = #bytes end
  local header = table.concat({epoch, number(first), at, table.concat(lengths, ' ')}, ' ')
  redis.pcall('PUBLISH', channel, header .. '\n' .. table.concat(events))
end
if nudge ~= '' then redis.pcall('PUBLISH', wake, nudge) end

return {'done', epoch, number(first), number(seq), at}
