//! Placeholder title page.
