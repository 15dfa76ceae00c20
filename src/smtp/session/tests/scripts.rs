//! A relay that plays arbitrary scripts: it knows what it took, and what it
//! was told after it had said goodbye.
