\set key random(1, 9000000000000000000)
SELECT send('user-' || :client_id, 'key-' || :key, 'payer-' || :client_id, 'payee-' || :client_id, 2550, 'Dinner');
