"""What an operator does in the console: every hold is released, and what it held is sent."""

import django


def main() -> None:
    django.setup()
    from notifications.holds.models import Hold
    from notifications.holds.services import hold_release

    for hold in Hold.objects.filter(released_at=None):
        hold_release(hold=hold, by="siege")


if __name__ == "__main__":
    main()
