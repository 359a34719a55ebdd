//! Which Indian numbers of ten digits that begin with 6 to 9 are landlines.
//!
//! Their area codes begin with 6 to 8, too, and are told from mobile numbers by the first five digits. The table is what the
//! tables of the `phonenumber` library say, folded so that they need not be loaded (25 MiB); a property test compares the
//! two. What the library takes for either is no landline here: a code that is sent for nothing costs less than a person who
//! gets none.

/// The fifth digits of landlines where a subscriber's number begins after four digits: 2 to 7.
const SUBSCRIBERS: u16 = 0b00111_11100;
/// Every fifth digit.
const ALL: u16 = 0b11111_11111;
/// One and nine.
const ONE_OR_NINE: u16 = 0b10000_00010;

/// From and to which first four digits, inclusive, which fifth digits (bit 0 for digit 0) make a landline. In order.
#[rustfmt::skip]
const LANDLINES: [(u16, u16, u16); 106] = [
    (6110, 6119, SUBSCRIBERS), (6122, 6126, ALL), (6127, 6127, 0b01111_11111), (6130, 6139, SUBSCRIBERS),
    (6150, 6159, SUBSCRIBERS), (6180, 6189, SUBSCRIBERS), (6212, 6217, ALL), (6220, 6229, SUBSCRIBERS),
    (6240, 6259, SUBSCRIBERS), (6270, 6279, SUBSCRIBERS), (6312, 6317, ALL), (6320, 6349, SUBSCRIBERS),
    (6412, 6417, ALL), (6420, 6439, SUBSCRIBERS), (6450, 6479, SUBSCRIBERS), (6512, 6517, ALL),
    (6520, 6569, SUBSCRIBERS), (6572, 6577, ALL), (6580, 6599, SUBSCRIBERS), (6612, 6617, ALL),
    (6620, 6629, SUBSCRIBERS), (6632, 6637, ALL), (6640, 6659, SUBSCRIBERS), (6670, 6689, SUBSCRIBERS),
    (6712, 6717, ALL), (6720, 6741, SUBSCRIBERS), (6742, 6747, ALL), (6748, 6769, SUBSCRIBERS),
    (6780, 6785, SUBSCRIBERS), (6787, 6799, SUBSCRIBERS), (6802, 6807, ALL), (6810, 6827, SUBSCRIBERS),
    (6828, 6828, 0b00111_01100), (6829, 6829, SUBSCRIBERS), (6830, 6839, ALL), (6840, 6869, SUBSCRIBERS),
    (7100, 7119, SUBSCRIBERS), (7122, 7127, ALL), (7130, 7189, SUBSCRIBERS), (7196, 7199, SUBSCRIBERS),
    (7312, 7316, ALL), (7317, 7317, ONE_OR_NINE), (7320, 7324, SUBSCRIBERS), (7329, 7329, SUBSCRIBERS),
    (7332, 7336, ALL), (7342, 7346, ALL), (7392, 7395, SUBSCRIBERS), (7512, 7516, ALL), (7521, 7523, SUBSCRIBERS),
    (7552, 7556, ALL), (7590, 7596, SUBSCRIBERS), (7605, 7606, SUBSCRIBERS), (7608, 7609, SUBSCRIBERS),
    (7613, 7614, ALL), (7616, 7616, ALL), (7625, 7630, SUBSCRIBERS), (7632, 7638, SUBSCRIBERS),
    (7640, 7653, SUBSCRIBERS), (7656, 7657, SUBSCRIBERS), (7701, 7701, SUBSCRIBERS), (7703, 7707, SUBSCRIBERS),
    (7881, 7881, SUBSCRIBERS), (7882, 7886, ALL), (7887, 7887, 0b00000_00010), (7910, 7930, ALL),
    (7931, 7931, 0b11111_10111), (7932, 7969, ALL), (7971, 7971, ALL), (7979, 7979, 0b00011_11110), (8020, 8049, ALL),
    (8060, 8065, ALL), (8068, 8069, ALL), (8071, 8071, ALL), (8079, 8079, 0b00000_01110), (8162, 8166, ALL),
    (8167, 8167, ONE_OR_NINE), (8202, 8206, ALL), (8207, 8207, ONE_OR_NINE), (8212, 8216, ALL),
    (8217, 8217, ONE_OR_NINE), (8242, 8246, ALL), (8247, 8247, ONE_OR_NINE), (8312, 8316, ALL),
    (8317, 8317, ONE_OR_NINE), (8322, 8326, ALL), (8327, 8327, ONE_OR_NINE), (8362, 8366, ALL),
    (8367, 8367, ONE_OR_NINE), (8612, 8616, ALL), (8617, 8617, ONE_OR_NINE), (8632, 8636, ALL),
    (8637, 8637, ONE_OR_NINE), (8662, 8666, ALL), (8667, 8667, ONE_OR_NINE), (8702, 8706, ALL), (8772, 8776, ALL),
    (8777, 8777, ONE_OR_NINE), (8782, 8786, ALL), (8787, 8787, ONE_OR_NINE), (8832, 8836, ALL),
    (8837, 8837, ONE_OR_NINE), (8842, 8843, ALL), (8845, 8846, ALL), (8847, 8847, ONE_OR_NINE), (8913, 8916, ALL),
    (8917, 8917, ONE_OR_NINE),
];

/// Whether ten digits that begin with 6 to 9 are the number of a landline.
pub(super) fn is_landline(national: &str) -> bool {
    let part = |range: std::ops::Range<usize>| national.get(range).and_then(|digits| digits.parse::<u16>().ok());
    let (Some(area), Some(next)) = (part(0..4), part(4..5)) else { return false };
    let row = LANDLINES.partition_point(|(_, last, _)| *last < area);
    LANDLINES.get(row).is_some_and(|(first, _, digits)| *first <= area && digits >> next & 1 == 1)
}
