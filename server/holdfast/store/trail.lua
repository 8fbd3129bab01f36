-- trail.lua: a page of a partition's audit trail, with what the store says of it as of one instant.
-- KEYS   1 the partition's meta (hash)   2 its audit trail (stream)   3 its seals (stream)
-- ARGV   1 the id of the entry before the first that is wanted   2 how many at the most
-- Returns {now, the last number given, the number of the last seal, that seal or nothing, entries}

local meta, trail, seals = KEYS[1], KEYS[2], KEYS[3]
local after, limit = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local known = redis.call('HMGET', meta, 'clock_offset_ms', 'entries')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(known[1] or '0')

-- The stream remembers the last id that it gave, also when that entry was taken out.
local sealed = '0'
if redis.call('EXISTS', seals) == 1 then
  local facts = redis.call('XINFO', 'STREAM', seals)
  for place = 1, #facts, 2 do
    if facts[place] == 'last-generated-id' then sealed = string.match(facts[place + 1], '^%d+') end
  end
end
local last = redis.call('XREVRANGE', seals, '+', '-', 'COUNT', 1)[1] or false

return {
  string.format('%.0f', now), known[2] or '0', sealed, last,
  redis.call('XRANGE', trail, '(' .. after, '+', 'COUNT', limit),
}
