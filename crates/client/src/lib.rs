//! The API's client: SigV4 requests and their typed answers.
