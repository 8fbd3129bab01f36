-- claim.lua: notice that the store is another run of itself, and begin a new epoch if so.
-- A position or a fence of the former run then means nothing any more, whatever that run had acknowledged and lost.
-- KEYS   1 the partition's meta (hash)
-- ARGV   1 the store's run id
-- Returns the epoch

local run, known = ARGV[1], redis.call('HMGET', KEYS[1], 'run', 'epoch')
if known[1] == run then return known[2] end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
-- The generation alone would not do: an older copy counts the same numbers again.
local epoch = generation .. '-' .. string.sub(run, 1, 12)
redis.call('HSET', KEYS[1], 'run', run, 'epoch', epoch)
return epoch
