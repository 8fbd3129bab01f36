-- replay.lua: put a notice that was given up before its target again, once, however many ask.
-- KEYS   1 the partition's meta (hash)   2 what was given up (stream)   3 the target's lanes (zset)   4 the lane (list)
-- ARGV   1 the entry's id   2 the lane   3 the notice
-- Returns 1 | 0 (it was replayed before, or is gone)

local meta, undelivered, lanes, list = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, lane, notice = ARGV[1], ARGV[2], ARGV[3]

if redis.call('XDEL', undelivered, id) == 0 then return 0 end
local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', meta, 'clock_offset_ms') or '0')
redis.call('RPUSH', list, notice)
redis.call('ZADD', lanes, string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset), lane)
return 1
