"""`make chaos`: many broadcasts through two hosts, while everything that they need fails in turn; then the books."""
