-- seen.lua: somebody was here, with these roles.
-- KEYS   1 since when this is noted (string)   2 … who was seen with each of the roles (zset)
-- ARGV   1 the subject   2 how long that counts, in milliseconds   3 people of one role at the most
-- Returns nothing of interest.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
for place = 2, #KEYS do
  redis.call('ZADD', KEYS[place], string.format('%.0f', now), ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
  redis.call('ZREMRANGEBYRANK', KEYS[place], 0, -1 - tonumber(ARGV[3]))
  redis.call('PEXPIRE', KEYS[place], ARGV[2])
end
return 1
