-- served.lua: note which agents a worker serves now, by the store's clock; and tell when each was served last.
-- KEYS   1 when a worker last said so (hash: agent@version → ms)
-- ARGV   agent@version …
-- Returns {now, agent@version, ms, …}

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
for _, queue in ipairs(ARGV) do redis.call('HSET', KEYS[1], queue, now) end
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, now)
return reply
