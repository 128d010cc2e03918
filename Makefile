# Each target sets itself up on a bare machine; the second run is quick. See scripts/setup.sh.
VENV ?= .venv
export VENV

# With ROS sourced, what it looks up by name must also be found in our environment. ROS from pip
# wheels sees to that itself.
ifneq ($(AMENT_PREFIX_PATH),)
export AMENT_PREFIX_PATH := $(abspath $(VENV)):$(AMENT_PREFIX_PATH)
export LD_LIBRARY_PATH := $(abspath $(VENV))/lib:$(LD_LIBRARY_PATH)
endif

.PHONY: help demo test bench world-sheet develop clean

help:
	@echo "make demo     play a recorded drive into the node and write demo/report.html"
	@echo "make test     lint, type-check and test everything"
	@echo "make bench    measure nano and the base size on this machine, beside transformers (an hour)"
	@echo "make world-sheet  show rendered frames with their true captions: sheet.png"
	@echo "make develop  make $(VENV) ready to work in: an editable install with the tools"
	@echo "make clean    remove what these commands made"

demo:
	@scripts/setup.sh runtime
	@$(VENV)/bin/mmser demo

test: develop
	@scripts/check.sh

bench: develop
	@PYTHON=$(VENV)/bin/python scripts/bench.sh

world-sheet: develop
	@$(VENV)/bin/mmser sheet

develop:
	@scripts/setup.sh test

clean:
	rm -rf $(VENV) build dist install log demo *.egg-info .mypy_cache .pytest_cache .ruff_cache
	rm -rf mmser_ros/msg mmser_ros/action mmser_ros/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
