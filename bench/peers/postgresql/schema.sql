-- Double entry: a transfer has two entries, whose amounts add up to zero. The owner's key makes it idempotent.

CREATE TABLE account (
    id text PRIMARY KEY,
    owner text NOT NULL,
    balance bigint NOT NULL CHECK (balance >= 0)
);

CREATE TABLE transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    key text NOT NULL,
    payer text NOT NULL REFERENCES account,
    payee text NOT NULL REFERENCES account,
    amount bigint NOT NULL CHECK (amount > 0),
    note text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner, key),
    CHECK (payer <> payee)
);

-- Its primary key is also the history of an account.
CREATE TABLE entry (
    account text NOT NULL REFERENCES account,
    transfer bigint NOT NULL REFERENCES transfer,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (account, transfer)
);

-- Returns the transfer's id: of the first one if the key was used before.
CREATE FUNCTION send(sender text, request text, from_account text, to_account text, moved bigint, reason text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    sent bigint;
    rest bigint;
    received bigint;
BEGIN
    SELECT id INTO sent FROM transfer
    WHERE owner = sender AND key = request AND payer = from_account AND payee = to_account AND amount = moved;
    IF FOUND THEN
        RETURN sent;
    END IF;
    -- In the order of ids, so that opposite transfers do not deadlock.
    PERFORM 1 FROM account WHERE id IN (from_account, to_account) ORDER BY id FOR UPDATE;
    -- Raises unique_violation if the key is used concurrently or with another request.
    INSERT INTO transfer (owner, key, payer, payee, amount, note)
    VALUES (sender, request, from_account, to_account, moved, reason) RETURNING id INTO sent;
    UPDATE account SET balance = balance - moved WHERE id = from_account AND owner = sender AND balance >= moved
    RETURNING balance INTO rest;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account of this owner, or insufficient funds';
    END IF;
    UPDATE account SET balance = balance + moved WHERE id = to_account RETURNING balance INTO received;
    INSERT INTO entry VALUES (from_account, sent, -moved, rest), (to_account, sent, moved, received);
    RETURN sent;
END
$$;

INSERT INTO account
SELECT side || number, 'user-' || number, 1000000000000
FROM generate_series(0, 63) AS number, unnest(ARRAY['payer-', 'payee-']) AS side;
