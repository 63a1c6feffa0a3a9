-- released: the operator has given back what a dispute or a bank's suspicion froze.
ALTER TABLE stripe_dispute ADD COLUMN released bigint NOT NULL DEFAULT 0;

-- replaced: the customer that was deleted at Stripe, where customer_id is empty until there is
-- another one.
ALTER TABLE stripe_customer ADD COLUMN replaced text NOT NULL DEFAULT '';

-- A payment has one receipt, and a credit note for each refund.
DROP INDEX invoice_payment;
CREATE UNIQUE INDEX invoice_receipt ON invoice (payment_id) WHERE kind = 'receipt';
CREATE INDEX invoice_of_payment ON invoice (payment_id);
