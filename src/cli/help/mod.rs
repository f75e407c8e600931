//! `coracle help`: topics, which are texts in this folder, and how they look on a terminal.
