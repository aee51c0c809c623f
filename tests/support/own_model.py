"""boto3 with the botocore model of Stillpoint's own operations."""
import boto3
import botocore.config

from tests.support.server import REGION, ROOT

_session = None


def stillpoint(server):
    global _session
    if _session is None:
        _session = boto3.session.Session()
        _session._loader.search_paths.append(str(ROOT / "packaging" / "botocore"))
    key, secret = server.credentials
    return _session.client("stillpoint", endpoint_url=server.api, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret,
                           config=botocore.config.Config(retries={"max_attempts": 1}, parameter_validation=False))
