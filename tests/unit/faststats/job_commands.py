"""Jobs and their commands, as FastStats' wizard writes them."""

from shared.faststats.job_command import Job

from .conftest import NOW


def command(**elements: str | None) -> str:
    """A command as docs/why/sources.md, Apteco 3 describes it; an element of None is left out."""
    texts: dict[str, str | None] = {
        "FilePath": r"D:\FastStats\Publish\Holidays\system\Deliveries\spring.txt",
        "Parameters": "ClosedLoopLayout=Email|Urn;A=b",
        "UrnColumnName": "Customer Urn",
        "EmailColumnName": "E-Mail",
        "FileSpecification": "<CommunicationKeyColumnName>Comm Key</CommunicationKeyColumnName>",
        "ExternalId": "<IdType>DeliveryStepId</IdType><Id>4711</Id>",
        "Run": "3",
        "ListName": "Newsletter",
        "MessageName": "Spring",
        "UploadOnly": "false",
        **elements,
    }
    details = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items() if text is not None)
    return f"<DeliveryCommand><BroadcastActionDetails>{details}</BroadcastActionDetails></DeliveryCommand>"


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
LAUGHS_COMMAND = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]><DeliveryCommand>&a9;</DeliveryCommand>'


def job(text: str | None) -> Job:
    return Job(id=7, system="Holidays", time_added=NOW, command=text)
