-- A full store (maxmemory reached, noeviction) refuses the first write of a script that may grow.
-- After a write that cannot grow it lets the rest through. Scripts that end or return a run free
-- memory, so they begin with such a write; without it a full store could never become less full.
local function allow_when_full(key)
  redis.call('PEXPIRE', key, 86400000)
  redis.call('PERSIST', key)
end
