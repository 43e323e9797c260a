SELECT send('user-' || :client_id, 'replayed', 'payer-' || :client_id, 'payee-' || :client_id, 2550, 'Dinner');
