-- read.lua: what a command decides on, as of one instant.
-- KEYS   1 the partition's meta (hash)   2 the session (hash)   3 its refs (hash)
-- ARGV   1 a scoped ref, or ""   2 … fields of the session to read
-- Returns {now, epoch, alive, seq, floor, what is stored under the ref, the fields' values …}

local time = redis.call('TIME')
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'clock_offset_ms')
local head = redis.call('HMGET', KEYS[2], 'alive', 'seq', 'floor', 'at')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(meta[2] or '0')
now = math.max(now, tonumber(head[4] or '0'))  -- a session's clock never goes back

local reply = {string.format('%.0f', now), meta[1], head[1], head[2] or '0', head[3] or '0'}
reply[6] = ARGV[1] ~= '' and redis.call('HGET', KEYS[3], ARGV[1])
for i = 2, #ARGV do reply[i + 5] = redis.call('HGET', KEYS[2], ARGV[i]) end
return reply
