//! Pure: a patch and a policy in, a judgement out.
