-- seal.lua: take or keep the lease of a partition's sealer, or write its next seal.
-- The seals are numbered densely and a number is given once, so that the chain cannot fork, whoever thinks that it
-- has the lease; the lease only spares the others the work.
-- KEYS   1 the lease (string)   2 the seals (stream)
-- ARGV   1 who asks   2 for how long (ms)   3 the seal's number, or "" to write none   4 its bytes
-- Returns, as words: done | held (another has the lease) | stale (that number is not the next)

local lease, seals = KEYS[1], KEYS[2]
local who, ttl, number, bytes = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local holder = redis.call('GET', lease)
if holder and holder ~= who then return 'held' end
if number ~= '' then
  local given = 0
  if redis.call('EXISTS', seals) == 1 then
    local facts = redis.call('XINFO', 'STREAM', seals)
    for place = 1, #facts, 2 do
      if facts[place] == 'last-generated-id' then given = tonumber(string.match(facts[place + 1], '^%d+')) end
    end
  end
  if tonumber(number) ~= given + 1 then return 'stale' end
  redis.call('XADD', seals, number .. '-0', 's', bytes)
end
redis.call('SET', lease, who, 'PX', ttl)
return 'done'
