//! The loop: takes runs in, works on them, carries out decisions.
