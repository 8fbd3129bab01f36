-- devices.lua: who is at a session, over all nodes; says so to everybody if it is not what it was.
-- KEYS   1 the session's devices (hash): connection → until when (ms), blank, who
-- ARGV   1 the session's channel   2 how long to believe in a device (ms)   3 how many are here
--        4 … connection and who, of each that is here   … then connections that have left
-- Returns {now, and for each device that is there: its connection, until when, who}
-- The clock is the store's own: nodes' clocks may differ, and a test's manual clock must not send everybody away.

local devices, channel, ttl, here = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local until_ms = string.format('%.0f', now + ttl)
local changed = false

for i = 4, 3 + 2 * here, 2 do
  local known = redis.call('HGET', devices, ARGV[i])
  local value = until_ms .. ' ' .. ARGV[i + 1]
  if not known or string.match(known, ' (.*)$') ~= ARGV[i + 1] then changed = true end
  redis.call('HSET', devices, ARGV[i], value)
end
for i = 4 + 2 * here, #ARGV do
  if redis.call('HDEL', devices, ARGV[i]) == 1 then changed = true end
end

local reply = {string.format('%.0f', now)}
local all = redis.call('HGETALL', devices)
for i = 1, #all, 2 do
  local ends, who = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) <= now then  -- its node was killed
    redis.call('HDEL', devices, all[i])
    changed = true
  else
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = ends
    reply[#reply + 1] = who
  end
end
if here > 0 then redis.call('PEXPIRE', devices, ttl) end
if changed then redis.pcall('PUBLISH', channel, 'presence\n') end
return reply
