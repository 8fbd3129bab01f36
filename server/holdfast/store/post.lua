-- post.lua: hand one notice on from the outbox to every target, once, however many try.
-- KEYS   1 the partition's meta (hash)   2 the outbox (stream)   3 what was given up (stream)
--        4 … for each target: its lanes (zset), and the list of this lane
-- ARGV   1 the entry's id   2 the lane   3 the notice: its instant, a blank, its bytes
--        4 lanes that a target may have   5 notices that may be given up   6 … for each target: its id
-- Returns 1 | 0 (it was handed on before)

local meta, outbox, undelivered = KEYS[1], KEYS[2], KEYS[3]
local id, lane, notice, lanes_max, undelivered_max = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

-- The first write, and it needs no memory: what follows it in this script is not refused for want of any.
if redis.call('XDEL', outbox, id) == 0 then return 0 end

local time = redis.call('TIME')
local offset = tonumber(redis.call('HGET', meta, 'clock_offset_ms') or '0')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + offset)

for place = 4, #KEYS, 2 do
  local lanes, list, target = KEYS[place], KEYS[place + 1], ARGV[6 + (place - 4) / 2]
  if redis.call('ZCARD', lanes) >= lanes_max and not redis.call('ZSCORE', lanes, lane) then
    redis.call('XADD', undelivered, 'MAXLEN', '~', undelivered_max, '*',
      'target', target, 'lane', lane, 'notice', notice, 'why', 'too many wait for this target', 'attempts', '0',
      'at', now)
  else
    redis.call('RPUSH', list, notice)
    redis.call('ZADD', lanes, 'NX', now, lane)  -- one that waits for its next attempt, or is being sent, goes on so
  end
end
return 1
