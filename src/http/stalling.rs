//! A connection that ends when its other side takes nothing for too long, or leaves an answer that has no end: nobody who is gone holds a place for ever.
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A connection whose writes fail when they stall.
#[derive(Debug)]
pub struct Stalling<T> {
    inner: T,
    patience: Duration,
    /// Runs while a write waits.
    deadline: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// Whether the answer has no end, so that whoever closes their side has left.
    is_endless: Arc<AtomicBool>,
    /// What came while it was looked whether the other side is still there.
    ahead: Option<u8>,
}

impl<T> Stalling<T> {
    pub fn new(inner: T, patience: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self { inner, patience, deadline, is_waiting: false, is_endless: Arc::default(), ahead: None }
    }

    /// Returns where to say that the answer under way has no end.
    pub fn is_endless(&self) -> Arc<AtomicBool> {
        self.is_endless.clone()
    }

    /// Passes on what the connection said of a write, unless it waits for too long.
    fn watch<R>(&mut self, cx: &mut Context<'_>, said: Poll<Result<R>>) -> Poll<Result<R>> {
        if said.is_ready() {
            self.is_waiting = false;
            return said;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.deadline.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the other side takes nothing")))
    }
}

impl<T: AsyncRead + Unpin> Stalling<T> {
    /// Fails once the other side has closed, and has the task woken when it does.
    fn look_whether_it_left(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if self.ahead.is_some() || !self.is_endless.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
            Poll::Pending => Ok(()),
            Poll::Ready(read) => {
                read?;
                self.ahead = buf.filled().first().copied();
                self.ahead.map(|_| ()).ok_or_else(|| Error::new(ErrorKind::BrokenPipe, "the other side left"))
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if buf.remaining() > 0
            && let Some(byte) = self.ahead.take()
        {
            buf.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, said)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let said = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, said)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.look_whether_it_left(cx)?;
        let said = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, said)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let said = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, said)
    }
}
