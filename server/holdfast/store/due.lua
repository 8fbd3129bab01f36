-- due.lua: the deadlines whose time has come, oldest first, and the time it is.
-- KEYS   1 the partition's meta (hash)   2 its deadlines (zset)
-- ARGV   1 how many at the most
-- Returns {now, names …}

local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', KEYS[1], 'clock_offset_ms') or '0')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset)
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
table.insert(due, 1, now)
return due
