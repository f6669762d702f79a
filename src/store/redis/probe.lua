-- Does on scratch keys everything that the other scripts do, so that a user without the right to it is found out
-- before a batch is half applied.
local scratch, set = record('probe', ''), index('probe')
redis.call('SET', scratch, '1', 'PX', 60000)
redis.call('GET', scratch)
redis.call('DEL', scratch)
add(set, '1', 'k', '60000')
redis.call('PERSIST', set)
redis.call('ZRANGEBYSCORE', set, '-inf', '1', 'LIMIT', 0, 1)
redis.call('ZREM', set, 'k')
redis.call('XADD', base .. 'e:probe', 'MAXLEN', '~', DELETIONS, '*', 'k', '')
redis.call('XREVRANGE', base .. 'e:probe', '+', '-', 'COUNT', 1)
redis.call('XRANGE', base .. 'e:probe', '-', '+', 'COUNT', 1)
redis.call('DEL', base .. 'e:probe')
return 1
