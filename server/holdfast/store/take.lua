-- take.lua: take lanes of a target whose time has come, the longest waiting first; nobody else gets them for a while.
-- Who takes a lane and is gone has counted as an attempt: what kills its sender is given up in the end, too.
-- KEYS   1 the partition's meta (hash)   2 the target's lanes (zset)   3 attempts by lane (hash)
-- ARGV   1 how many at the most   2 for how long they are taken (ms)
-- Returns lane, attempts, lane, attempts …

local meta, lanes, tries = KEYS[1], KEYS[2], KEYS[3]
local limit, lease = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', meta, 'clock_offset_ms') or '0')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset

local taken = {}
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', lanes, '-inf', string.format('%.0f', now), 'LIMIT', 0, limit)) do
  redis.call('ZADD', lanes, string.format('%.0f', now + lease), lane)
  taken[#taken + 1] = lane
  taken[#taken + 1] = redis.call('HINCRBY', tries, lane, 1)
end
return taken
