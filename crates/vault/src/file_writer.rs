//! Writing a file of any length with little memory: at once where it is small, else in parts.

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::checksum::Sha256Sum;
use crate::error::VaultError;
use crate::folder::{ArrivedPart, Folder, Upload, WrittenFile};

/// Bytes of a part. Two are in memory: the one that fills, and the one that is on its way.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// Writes one file, front to back.
#[derive(Debug)]
pub struct FileWriter {
    folder: Folder,
    name: String,
    filling: Vec<u8>,
    sum: Sha256Sum,
    bytes: u64,
    upload: Option<Upload>,
    in_flight: Option<JoinHandle<Result<ArrivedPart, VaultError>>>,
    arrived: Vec<ArrivedPart>,
    /// The number of the part that `filling` becomes.
    number: i32,
}

impl FileWriter {
    /// A writer of the file `name`. Nothing is sent yet.
    pub fn new(folder: Folder, name: String) -> Self {
        Self {
            folder,
            name,
            filling: Vec::new(),
            sum: Sha256Sum::default(),
            bytes: 0,
            upload: None,
            in_flight: None,
            arrived: Vec::new(),
            number: 1,
        }
    }

    /// The bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends bytes. Waits while two parts are full.
    ///
    /// # Errors
    /// Those of writing an earlier part; the file is then to be abandoned.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        self.sum.add(bytes);
        self.bytes += bytes.len() as u64;
        while self.filling.len() + bytes.len() > PART_BYTES {
            let (head, rest) = bytes.split_at(PART_BYTES - self.filling.len());
            self.filling.extend_from_slice(head);
            bytes = rest;
            self.send().await?;
        }
        self.filling.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of writing. What has arrived of the file is let go of.
    pub async fn finish(mut self) -> Result<WrittenFile, VaultError> {
        if self.upload.is_none() {
            return self.folder.put(&self.name, Bytes::from(std::mem::take(&mut self.filling))).await;
        }
        match self.complete().await {
            Ok(()) => Ok(WrittenFile { name: self.name, bytes: self.bytes, sha256: Some(self.sum.finish()) }),
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// Lets go of what has arrived of a file that will not be finished.
    pub async fn abandon(mut self) {
        if let Some(write) = self.in_flight.take() {
            write.abort();
        }
        if let Some(upload) = &self.upload
            && let Err(error) = upload.abort().await
        {
            // The failure that led here is what counts.
            tracing::warn!("an upload could not be aborted: {error}");
        }
    }

    async fn complete(&mut self) -> Result<(), VaultError> {
        if !self.filling.is_empty() {
            self.send().await?;
        }
        self.settle().await?;
        match &self.upload {
            Some(upload) => upload.complete(std::mem::take(&mut self.arrived), self.bytes).await,
            None => Ok(()),
        }
    }

    /// Starts writing the full part once the one before it has arrived.
    async fn send(&mut self) -> Result<(), VaultError> {
        self.settle().await?;
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => self.upload.insert(self.folder.begin(&self.name).await?).clone(),
        };
        let (number, body) = (self.number, Bytes::from(std::mem::take(&mut self.filling)));
        self.number += 1;
        self.in_flight = Some(tokio::spawn(async move { upload.part(number, body).await }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), VaultError> {
        if let Some(write) = self.in_flight.take() {
            match write.await {
                Ok(arrived) => self.arrived.push(arrived?),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(())
    }
}
