"""The certificate of localcloud's TLS: Google's clients use TLS unless they are configured otherwise.

It is made for this data folder and signs itself. A client that is to trust it gets it as its only root certificate.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from localcloud.private_files import write_private_file

LIFETIME = dt.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A private key and its certificate, both as PEM."""

    key: bytes
    chain: bytes


def load_or_create_certificate(folder: Path) -> Certificate:
    """Return the key in `tls-key.pem` and the certificate in `tls.pem`, created if one is missing. Errors: OSError."""
    key, chain = folder / "tls-key.pem", folder / "tls.pem"
    if not (key.exists() and chain.exists()):
        made = _create()
        write_private_file(key, made.key.decode())
        write_private_file(chain, made.chain.decode())
    return Certificate(key.read_bytes(), chain.read_bytes())


def _create() -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localcloud")])
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return Certificate(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), certificate.public_bytes(pem))
