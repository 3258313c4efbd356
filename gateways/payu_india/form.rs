//! The fields of a form that count.

use std::borrow::Cow;

/// What is signed, and the hash. A field that is not there is empty.
#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    pub(super) hash: Cow<'a, str>,
    additional_charges: Cow<'a, str>,
    pub(super) status: Cow<'a, str>,
    pub(super) udf1: Cow<'a, str>,
    pub(super) udf2: Cow<'a, str>,
    udf3: Cow<'a, str>,
    udf4: Cow<'a, str>,
    udf5: Cow<'a, str>,
    email: Cow<'a, str>,
    firstname: Cow<'a, str>,
    productinfo: Cow<'a, str>,
    pub(super) amount: Cow<'a, str>,
    pub(super) txnid: Cow<'a, str>,
    key: Cow<'a, str>,
}

impl<'a> Form<'a> {
    /// The fields of `body`. None if one of them is there twice: two readers could each believe another one.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut form = Self::default();
        let mut seen = Vec::with_capacity(16);
        for (name, value) in form_urlencoded::parse(body) {
            let place = match &*name {
                "hash" => &mut form.hash,
                "additionalCharges" | "additional_charges" => &mut form.additional_charges,
                "status" => &mut form.status,
                "udf1" => &mut form.udf1,
                "udf2" => &mut form.udf2,
                "udf3" => &mut form.udf3,
                "udf4" => &mut form.udf4,
                "udf5" => &mut form.udf5,
                "email" => &mut form.email,
                "firstname" => &mut form.firstname,
                "productinfo" => &mut form.productinfo,
                "amount" => &mut form.amount,
                "txnid" => &mut form.txnid,
                "key" => &mut form.key,
                _ => continue,
            };
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            *place = value;
        }
        Some(form)
    }

    /// What PayU hashes, for the holder of `salt`. The amount is as it was received, to the last zero.
    pub(super) fn signed(&self, salt: &str) -> String {
        let fields = self.fields().join("|");
        // udf6 to udf10 are not in use, and signed as empty.
        let rest = format!("{salt}|{}||||||{fields}", self.status);
        if self.additional_charges.is_empty() {
            rest
        } else {
            format!("{}|{rest}", self.additional_charges)
        }
    }

    /// Whether a field holds the sign that stands between the fields.
    pub(super) fn has_borders_in_fields(&self) -> bool {
        self.fields()
            .into_iter()
            .chain([&*self.status, &*self.additional_charges])
            .any(|field| field.contains('|'))
    }

    fn fields(&self) -> [&str; 11] {
        [
            &self.udf5,
            &self.udf4,
            &self.udf3,
            &self.udf2,
            &self.udf1,
            &self.email,
            &self.firstname,
            &self.productinfo,
            &self.amount,
            &self.txnid,
            &self.key,
        ]
    }
}
