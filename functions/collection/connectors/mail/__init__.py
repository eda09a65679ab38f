"""The mail connector: the conversations in a mailbox, by IMAP."""
