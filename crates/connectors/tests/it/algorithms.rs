//! Public-key algorithms, of which some are used by no recipe of the catalogue yet. Keys and signatures were made by
//! cryptography (PyPI) over `hello`.

use connectors::provider::{Keys, Role, RoleSecret, Settings};
use domain::Assurance;

use crate::request::{Request, accepted, code, recipe};

const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv6Ty0GIucQc+zg3ZuEDC
RmV+mQuE4LeVgck9S9lUw46UND8Hf4lMk2ZNNL0l3gQUDiMTirYT6BV1kfo7FSGq
jSKI09aocOSnxsH6752KYvyMCBuzrfultmsKHZlfPKkiQcXnE8DA6itdP8DEAgWr
G8CBUdrTR9WPwB6DoL7PvzcpGkzA6SnA+s4cN553S4FqjBetaTap0ciKiYG/40KN
q2DC1Dv8cNiWzcLUXBTWMAEnEQ6bi93aw+9Q8A6grNV6dl/xG0ziWzMaa9LNsvZO
2WRGmMPOm5WIyF35MaftS5LeaSDHEvUKD8KDwbsUbaiSSUB4Qxa4FCSiARjcMAJ5
RwIDAQAB
-----END PUBLIC KEY-----";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERxw+dYxJBChbun5TEY7Q9SSt6wdX
0lvS+Oew1236cUzdUg96yoqLkXrMN/Ud6PDJu+OthYOC5wLcJaEtCfeoWA==
-----END PUBLIC KEY-----";

const SHA1: &str = "PndhU3WAtzcsCxDTSi4LKUm+IXCpmH/C1P9Zbcx5a00M52npNlWWGoE7VXeZAHBiR+dtyTR77+O+W0ZvmpfbpcuMOIllRHfeWoKQfhmyPewewggYq3zw/LQcAvB3lvF/Eh06x6dJoh7zhJOhpN7D4MMeB7Id+wbc+XfAU07w8YhLn3p7PvsYaB6lDgkLmigKyOgDHqtgljYaVzbUSW3qy4u8VHCK/TNb41xaEjfFBSxS73dO9NBqlcsPfZrQhdeThUZEr0+kZFx7gAhnUKnY003v9dREMq3QfRRd8xJELH/Er5OYOlFIk1x0jbfvZdW8lNAcCWZgal8vckbGXUgpWA==";
const SHA256: &str = "iyVno7dSstMiLixoifGgo/Lp1O6XPjbVBzvDkwkOYR5LgyWSBn80MnXIJN8fa6ZH3l0sJXng08pgFCaVjDtOHI1i3i4oqKqLv/mD4b2GLsLgO1cR5J/VkWgBKPHeRwx57h57u81un3AoXuqk7uW8hAUKCagmlO4DjsAb0LvjbQrovKH8Ab9IBDEWCg+djcOHmwsAmd/8SM0CH8fIrXDwH5IQkyXliGQizpnnMYuZB/rBmg82zMCIFdeY8DUTVffOYKQa94GhVQhkkx5fYC7FagFGB0BVmF3qVaGsAPwnk+ArIlSOhFcBWr7Dh4WPHqPRbLDK0fbjNyyRUVQGOUi0ZQ==";
const RAW: &str = "ZPQweAfcH3bDo606kI0h9I7FpziAei3qgeVlqApcUbZCbEMVD6m9JAKTQrVQ1tglyjdBy8TYWyW05Y+Z53fHcw==";
const DER: &str = "MEQCIGT0MHgH3B92w6OtOpCNIfSOxac4gHot6oHlZagKXFG2AiBCbEMVD6m9JAKTQrVQ1tglyjdBy8TYWyW05Y+Z53fHcw==";
const SHA1_DER: &str =
    "MEUCIQCgZvqawvnhQT0W2KNxE/G6TNxmyUNJ8BPjjUIn76vGqwIgJQgQeci3W/YA0o+Zph5agH6omgVapEdUOVMtNBstBoM=";
const SHA1_RAW: &str = "oGb6msL54UE9FtijcRPxukzcZslDSfAT441CJ++rxqslCBB5yLdb9gDSj5mmHlqAfqiaBVqkR1Q5Uy00Gy0Ggw==";

#[test]
fn every_algorithm_takes_its_own_signatures_and_no_others() {
    let cases = [
        ("rsa_pkcs1_sha1", RSA, SHA1),
        ("rsa_pkcs1_sha256", RSA, SHA256),
        ("ecdsa_p256_sha256_raw", P256, RAW),
        ("ecdsa_p256_sha256_der", P256, DER),
        ("ecdsa_p256_sha1_der", P256, SHA1_DER),
        ("ecdsa_p256_sha1_raw", P256, SHA1_RAW),
    ];
    for (algorithm, key, signature) in cases {
        let verify = format!(
            "{{ signature: {{ algorithm: {algorithm}, key: public, message: [body], signature: {{ from: {{ header: x-sig }}, encoding: base64 }} }} }}"
        );
        let recipe = recipe("[{ role: public, about: a key, encoding: pem, form: spki }]", &verify, "");
        let secrets = [RoleSecret::new(Some(Role::Public), key)];
        let keys = Keys::compile(&recipe, &secrets, &Settings::default()).expect("a key that fits");
        let judged = |body: &str, signature: &str| Request::new(body).header("x-sig", signature).judged(&recipe, &keys);
        assert_eq!(accepted(judged("hello", signature)).assurance, Assurance::Body, "{algorithm}");
        assert_eq!(code(&judged("hallo", signature)), "signature_mismatch", "{algorithm}");
        for (other, _, foreign) in cases.iter().filter(|(other, ..)| *other != algorithm) {
            assert_eq!(code(&judged("hello", foreign)), "signature_mismatch", "{algorithm} takes {other}");
        }
        let foreign_key = if key == RSA { P256 } else { RSA };
        let foreign_key = [RoleSecret::new(Some(Role::Public), foreign_key)];
        assert!(Keys::compile(&recipe, &foreign_key, &Settings::default()).is_err(), "{algorithm}");
    }
}
