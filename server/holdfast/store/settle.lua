-- settle.lua: what became of the first notice of a lane: it is done with, tried later, or given up.
-- KEYS   1 the partition's meta (hash)   2 the target's lanes (zset)   3 the lane (list)   4 attempts by lane (hash)
--        5 interrupts that the target was told of (zset)   6 what was given up (stream)
-- ARGV   1 the lane   2 the notice that was meant   3 "done" | "closed" (told, and over) | "later" | "given_up"
--        4 later: after how long (ms)   5 given up: the target   6 why   7 after how many attempts
--        8 notices that may be given up
-- Returns 1 | 0 (that notice is not the first any more: somebody else has settled it)

local meta, lanes, list, tries, told, undelivered = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local lane, notice, outcome, wait, target, why = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local attempts, undelivered_max = ARGV[7], ARGV[8]

local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', meta, 'clock_offset_ms') or '0')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset

if redis.call('LINDEX', list, 0) ~= notice then
  if redis.call('EXISTS', list) == 0 then redis.call('ZREM', lanes, lane) end
  return 0
end
if outcome == 'later' then
  redis.call('ZADD', lanes, string.format('%.0f', now + tonumber(wait)), lane)
  return 1
end
if outcome == 'given_up' then
  redis.call('XADD', undelivered, 'MAXLEN', '~', undelivered_max, '*',
    'target', target, 'lane', lane, 'notice', notice, 'why', why, 'attempts', attempts,
    'at', string.format('%.0f', now))
end
redis.call('LPOP', list)
redis.call('HDEL', tries, lane)
if outcome == 'closed' then redis.call('ZREM', told, lane) end
if redis.call('EXISTS', list) == 0 then
  redis.call('ZREM', lanes, lane)
else
  redis.call('ZADD', lanes, string.format('%.0f', now), lane)
end
return 1
