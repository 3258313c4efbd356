//! The QR code of a ticket as a picture.

use png::{BitDepth, ColorType, Compression, Encoder};
use qrcode::bits::encode_auto;
use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::ec::construct_codewords;
use qrcode::{Color, EcLevel};

use crate::code::TicketCode;

/// The white border that a reader needs around a QR code, in modules (ISO/IEC 18004 asks for four).
pub const QUIET_ZONE_MODULES: usize = 4;

/// Pixels to one side of a module, at least: whole pixels, so that edges are crisp at any zoom.
const MIN_MODULE_PIXELS: usize = 4;

/// The picture is at least this wide, in pixels, however small the code.
const MIN_WIDTH_PIXELS: usize = 480;

/// Why the picture could not be drawn. No ticket's own code leads here; it is an error, not a panic, because
/// the two libraries may say no.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// Too much text for a QR code.
    #[error("the ticket code does not fit a QR code: {0}")]
    Code(qrcode::types::QrError),
    /// The picture could not be encoded.
    #[error("the QR picture could not be encoded")]
    Picture(#[from] png::EncodingError),
}

/// The QR code of `code` as a black-and-white PNG of 1 bit a pixel, some 2 kB: error correction M, the quiet
/// zone included, every module a square of whole pixels, 480 pixels wide or more. The same code gives the
/// same bytes.
pub fn qr_png(code: &TicketCode) -> Result<Vec<u8>, QrError> {
    let (side, colours) = draw(code).map_err(QrError::Code)?;
    let modules = side + 2 * QUIET_ZONE_MODULES;
    let scale = MIN_WIDTH_PIXELS.div_ceil(modules).max(MIN_MODULE_PIXELS);
    let width = modules * scale;
    let row_bytes = width.div_ceil(8);

    let mut pixels = vec![0xff_u8; row_bytes * width];
    for y in 0..side {
        let top = (y + QUIET_ZONE_MODULES) * scale;
        let mut row = vec![0xff_u8; row_bytes];
        for x in (0..side).filter(|&x| colours[y * side + x] == Color::Dark) {
            let left = (x + QUIET_ZONE_MODULES) * scale;
            for pixel in left..left + scale {
                row[pixel / 8] &= !(0x80 >> (pixel % 8));
            }
        }
        for line in top..top + scale {
            pixels[line * row_bytes..(line + 1) * row_bytes].copy_from_slice(&row);
        }
    }

    let mut picture = Vec::new();
    // At most (177 + 8) × 4 pixels: far below what would not fit.
    let pixels_wide = width as u32;
    let mut encoder = Encoder::new(&mut picture, pixels_wide, pixels_wide);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(picture)
}

/// The modules of `code`'s QR code, row by row, and how many make a side.
///
/// A mask keeps patterns of the data from looking like those of the code itself. Readers take any of the eight; choosing by
/// their penalties takes nine tenths of the time, and a ticket's text, most of which is a signature, has no patterns.
fn draw(code: &TicketCode) -> Result<(usize, Vec<Color>), qrcode::types::QrError> {
    let bits = encode_auto(code.as_str().as_bytes(), EcLevel::M)?;
    let version = bits.version();
    let (data, correction) = construct_codewords(&bits.into_bytes(), version, EcLevel::M)?;
    let mut canvas = Canvas::new(version, EcLevel::M);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    canvas.apply_mask(MaskPattern::Checkerboard);
    let side = usize::try_from(version.width()).unwrap_or_default();
    Ok((side, canvas.into_colors()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ticket, TicketKeys, verify};
    use std::io::Cursor;
    use time::macros::datetime;
    use uuid::Uuid;

    /// A picture as a camera sees it: width, and the brightness of each pixel.
    fn seen(picture: &[u8]) -> (usize, Vec<u8>) {
        let mut decoder = png::Decoder::new(Cursor::new(picture));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(frame.width, frame.height);
        (frame.width as usize, pixels)
    }

    fn read_back(seats: usize) -> usize {
        let keys = TicketKeys::generate();
        let seats = (1..=seats).map(|n| format!("A-{n}")).collect();
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let ticket = Ticket::new(Uuid::from_u128(99), 4711, seats, at).unwrap();
        let code = ticket.sign(&keys);
        let picture = qr_png(&code).unwrap();
        assert!(picture.len() < 12_000, "{} bytes", picture.len());
        let (width, pixels) = seen(&picture);
        assert!(width >= MIN_WIDTH_PIXELS);
        let border = QUIET_ZONE_MODULES * MIN_MODULE_PIXELS;
        assert!(
            pixels[..border * width].iter().all(|&pixel| pixel == 0xff),
            "quiet zone"
        );

        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, width, |x, y| pixels[y * width + x]);
        let grids = image.detect_grids();
        let (meta, text) = grids[0].decode().unwrap();
        assert_eq!(verify(&text, keys.verifying()).unwrap(), ticket);
        meta.version.to_size()
    }

    #[test]
    fn a_phone_reads_the_ticket_back() {
        for seats in [1, 2, 50] {
            read_back(seats);
        }
        assert!(read_back(10) <= 57, "ten seats need version 10 at most");
    }

    #[test]
    fn the_same_code_is_the_same_picture() {
        let keys = TicketKeys::generate();
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let code = Ticket::new(Uuid::nil(), 1, vec!["A".into()], at)
            .unwrap()
            .sign(&keys);
        assert_eq!(qr_png(&code).unwrap(), qr_png(&code).unwrap());
    }
}
