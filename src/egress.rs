//! The only way out for requests of our own: no redirects, capped bodies, deadlines, and an
//! address filter for URLs that strangers chose.
