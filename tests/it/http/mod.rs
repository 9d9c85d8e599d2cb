//! The service over real connections: reading, deciding, streaming, hostile clients, and the document that describes it.
mod connections;
mod deciding;
mod document;
mod hostile;
mod reading;
mod served;
mod serving;
mod streaming;
