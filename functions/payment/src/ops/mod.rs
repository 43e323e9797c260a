//! Commands of operators. They have no route: the caller needs the permission to invoke the function.

pub mod open_credit;
