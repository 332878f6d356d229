"""The options that Auto Loader has and Sluice does not build."""

from __future__ import annotations

from sluice.values import Option

_LISTED = "leave it out: files are found by listing the path"
FILE_EVENTS = (
    Option(
        name="cloudFiles.useNotifications",
        default="false",
        meaning="discover files by notifications of the cloud",
        only="false",
        instead=_LISTED,
    ),
    Option(
        name="cloudFiles.useManagedFileEvents",
        default="false",
        meaning="discover files by the platform's own events",
        only="false",
        instead=_LISTED,
    ),
    Option(
        name="cloudFiles.listOnStart",
        default="false",
        meaning="begin to read events by a listing",
        only="false",
        instead=_LISTED,
    ),
    *(
        Option(
            name=f"cloudFiles.{name}",
            meaning="how the notifications of a cloud are set up and read",
            only="",
            instead=_LISTED,
        )
        for name in (
            *("fetchParallelism", "pathRewrites", "region", "queueUrl"),
            *("restrictNotificationSetupToSameAWSAccountId", "awsAccessKey"),
            *("awsSecretKey", "roleArn", "roleExternalId", "roleSessionName"),
            *("stsEndpoint", "resourceGroup", "subscriptionId", "tenantId"),
            *("clientId", "clientSecret", "connectionString", "queueName"),
            *("client", "clientEmail", "privateKey", "privateKeyId", "project"),
            "subscription",
        )
    ),
)
