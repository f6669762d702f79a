//! What the file contains, and how a record and its indices change together.

use bytes::Bytes;
use redb::{Error, ReadTransaction, ReadableTable, Table as Open, TableDefinition, TableError, WriteTransaction};

use crate::{
    store::{Change, Record, Table, Term},
    time::Timestamp,
};

/// The version of this layout.
const FORMAT: u64 = 1;

type RecordKey = (&'static str, &'static [u8]);
/// Expiry, terms, value.
type RecordValue = (u64, Vec<&'static [u8]>, &'static [u8]);

/// `(table, key)`: the records.
const RECORDS: TableDefinition<'static, RecordKey, RecordValue> = TableDefinition::new("records");
/// `(table, term, key)`: who was put with a term.
const TERMS: TableDefinition<'static, (&'static str, &'static [u8], &'static [u8]), ()> = TableDefinition::new("terms");
/// `(expiry, table, key)`: what ends when.
const EXPIRIES: TableDefinition<'static, (u64, &'static str, &'static [u8]), ()> = TableDefinition::new("expiries");
/// Facts about the file.
const ABOUT: TableDefinition<'static, &'static str, u64> = TableDefinition::new("about");

/// A write transaction with its tables open.
pub(super) struct Writing<'a> {
    records: Open<'a, RecordKey, RecordValue>,
    terms: Open<'a, (&'static str, &'static [u8], &'static [u8]), ()>,
    expiries: Open<'a, (u64, &'static str, &'static [u8]), ()>,
    about: Open<'a, &'static str, u64>,
}

// === impl Writing ===

impl<'a> Writing<'a> {
    pub(super) fn begin(transaction: &'a WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            terms: transaction.open_table(TERMS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            about: transaction.open_table(ABOUT)?,
        })
    }

    /// Whether every expectation of the batch holds.
    pub(super) fn holds(&self, batch: &[Change], now: Timestamp) -> Result<bool, Error> {
        for change in batch {
            let Change::Expect { table, key, value } = change else { continue };
            let found = self.records.get((table.as_str(), key.as_slice()))?;
            let live = found.as_ref().map(redb::AccessGuard::value).filter(|(expires_at, ..)| *expires_at > now.0);
            if live.map(|(_, _, value)| value) != value.as_deref() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Expect { .. } => Ok(()),
            Change::Put { table, key, record, terms } => self.put(table.as_str(), key, record, terms),
            Change::Delete { table, key } => self.remove(table.as_str(), key),
        }
    }

    /// Removes up to `limit` records that ended at or before `now`; returns how many.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize) -> Result<usize, Error> {
        let mut ended = Vec::new();
        for entry in self.expiries.iter()?.take(limit) {
            let (entry, _) = entry?;
            let (expires_at, table, key) = entry.value();
            if expires_at > now.0 {
                break;
            }
            ended.push((table.to_owned(), key.to_vec()));
        }
        for (table, key) in &ended {
            self.remove(table, key)?;
        }
        Ok(ended.len())
    }

    /// Changes the file without changing a record: what shows that it can be written to.
    pub(super) fn touch(&mut self) -> Result<(), Error> {
        let touched = self.about.get("touched")?.map_or(0, |count| count.value());
        self.about.insert("touched", touched.wrapping_add(1))?;
        Ok(())
    }

    /// Marks a new file as ours.
    pub(super) fn claim(&mut self) -> Result<(), Error> {
        self.about.insert("format", FORMAT)?;
        Ok(())
    }

    fn put(&mut self, table: &str, key: &[u8], record: &Record, terms: &[Term]) -> Result<(), Error> {
        self.remove(table, key)?;
        let terms: Vec<Vec<u8>> = terms.iter().map(term_bytes).collect();
        let terms: Vec<&[u8]> = terms.iter().map(Vec::as_slice).collect();
        let expires_at = record.expires_at.0;
        for term in &terms {
            self.terms.insert((table, *term, key), ())?;
        }
        self.expiries.insert((expires_at, table, key), ())?;
        self.records.insert((table, key), (expires_at, terms, &*record.value))?;
        Ok(())
    }

    fn remove(&mut self, table: &str, key: &[u8]) -> Result<(), Error> {
        let Some(removed) = self.records.remove((table, key))? else { return Ok(()) };
        let (expires_at, terms, _) = removed.value();
        self.expiries.remove((expires_at, table, key))?;
        for term in terms {
            self.terms.remove((table, term, key))?;
        }
        Ok(())
    }
}

/// Whether the file is one of ours that this version reads; `None` for a new file.
pub(super) fn is_known(transaction: &ReadTransaction) -> Result<Option<bool>, Error> {
    match transaction.open_table(ABOUT) {
        Ok(about) => Ok(Some(about.get("format")?.is_some_and(|format| format.value() == FORMAT))),
        Err(TableError::TableDoesNotExist(_)) => Ok(transaction.list_tables()?.next().map(|_| false)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn get(
    transaction: &ReadTransaction,
    table: Table,
    key: &[u8],
    now: Timestamp,
) -> Result<Option<Record>, Error> {
    let records = transaction.open_table(RECORDS)?;
    let found = records.get((table.as_str(), key))?;
    Ok(found.map(|found| record(&found.value())).filter(|record| record.is_live(now)))
}

pub(super) fn find(
    transaction: &ReadTransaction,
    table: Table,
    term: &Term,
    now: Timestamp,
) -> Result<Vec<Vec<u8>>, Error> {
    let records = transaction.open_table(RECORDS)?;
    let terms = transaction.open_table(TERMS)?;
    let term = term_bytes(term);
    let mut keys = Vec::new();
    for entry in terms.range((table.as_str(), term.as_slice(), [].as_slice())..)? {
        let (entry, _) = entry?;
        let (of_table, of_term, key) = entry.value();
        if of_table != table.as_str() || of_term != term {
            break;
        }
        if records.get((of_table, key))?.is_some_and(|found| found.value().0 > now.0) {
            keys.push(key.to_vec());
        }
    }
    Ok(keys)
}

pub(super) fn list(
    transaction: &ReadTransaction,
    table: Table,
    now: Timestamp,
) -> Result<Vec<(Vec<u8>, Record)>, Error> {
    let records = transaction.open_table(RECORDS)?;
    let mut found = Vec::new();
    for entry in records.range((table.as_str(), [].as_slice())..)? {
        let (entry, value) = entry?;
        let (of_table, key) = entry.value();
        if of_table != table.as_str() {
            break;
        }
        let record = record(&value.value());
        if record.is_live(now) {
            found.push((key.to_vec(), record));
        }
    }
    Ok(found)
}

fn record((expires_at, _, value): &(u64, Vec<&[u8]>, &[u8])) -> Record {
    Record { value: Bytes::copy_from_slice(value), expires_at: Timestamp(*expires_at) }
}

/// Kind and value; a kind is a word and has no zero byte.
fn term_bytes(term: &Term) -> Vec<u8> {
    [term.kind.as_bytes(), &[0], &term.value].concat()
}
