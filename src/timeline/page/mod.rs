//! The timeline page: plain HTML, style and script, as files to serve or as one file to keep.
