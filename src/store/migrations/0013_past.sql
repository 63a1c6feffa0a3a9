-- What a wallet's history asks for beside its charges (which are read from the usage's sums).
CREATE INDEX ledger_transfer_to ON ledger_transfer (credit, at) WHERE reason <> 'charge';
CREATE INDEX ledger_transfer_from ON ledger_transfer (debit, at) WHERE reason <> 'charge';
